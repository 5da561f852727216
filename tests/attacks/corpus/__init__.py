"""The attack corpus: one module a family of threats, one entry an attack.

Somebody who finds a new hole adds one entry to the module it belongs to, with the outcome that it must get.
"""

from __future__ import annotations

from corpus import (
    archives,
    crossing,
    endings,
    files,
    honest_work,
    interpreter,
    markers_side,
    network,
    processes,
    readers,
    resources,
    structure,
    values,
)  # fmt: skip

FAMILIES = {
    "structure": structure.ATTACKS,
    "interpreter": interpreter.ATTACKS,
    "values": values.ATTACKS,
    "readers": readers.ATTACKS,
    "crossing": crossing.ATTACKS,
    "endings": endings.ATTACKS,
    "files": files.ATTACKS,
    "processes": processes.ATTACKS,
    "resources": resources.ATTACKS,
    "network": network.ATTACKS,
    "markers_side": markers_side.ATTACKS,
    "honest_work": honest_work.ATTACKS,
}

ARCHIVES = archives.ARCHIVES

ALL = [attack for family in FAMILIES.values() for attack in family]
