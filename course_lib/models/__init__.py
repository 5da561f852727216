"""Networks, a file each, to be read from top to bottom; they need PyTorch."""
