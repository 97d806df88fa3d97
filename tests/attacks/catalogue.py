"""All attacks, in the order in which to read them."""

import exhaustion
import forging
import lies
import neighbours
import readers
import reading
import tampering
import telling

__all__ = ["ATTACKS", "TAMPERED"]

ATTACKS = (
    *reading.ATTACKS,
    *telling.ATTACKS,
    *forging.ATTACKS,
    *lies.ATTACKS,
    *exhaustion.ATTACKS,
    *neighbours.ATTACKS,
    *readers.ATTACKS,
)
TAMPERED = tuple(tampering.ATTACKS)
