"""Names, units and array aliases that every layer shares.

The unit system is nm, GPa and s; forces are therefore in nN, energies in aJ, and stresses need no
conversion. Tension is positive everywhere.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

Provenance = Literal["measured", "paper", "literature", "assumed", "calibrated", "synthetic"]
PROVENANCES: tuple[str, ...] = (
    "measured",
    "paper",
    "literature",
    "assumed",
    "calibrated",
    "synthetic",
)

INTERFACE = "interface"
GRAIN = "grain"
SC_RICH = "sc_rich"
NANOCRYSTAL = "nanocrystal"
COMPOSITE_PHASES: tuple[str, ...] = (INTERFACE, GRAIN, SC_RICH, NANOCRYSTAL)

REGION_NUMERALS: dict[str, str] = {
    NANOCRYSTAL: "I",
    SC_RICH: "II",
    INTERFACE: "III",
    GRAIN: "IV",
}

Axis = Literal["x", "y", "z"]
AXIS_INDEX: dict[str, int] = {"x": 0, "y": 1, "z": 2}

Kinematics = Literal["finite", "small"]
Boundary = Literal["periodic", "uniform-displacement", "platens"]
PlatenContact = Literal["smooth", "rough"]
