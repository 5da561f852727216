"""How the course's networks were trained: commands that make the checkpoints that the library ships."""
