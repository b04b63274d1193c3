"""Figures of the network and the grains of an atom probe specimen."""

import numpy as np

from ngcfem.atomprobe.network import NetworkFound
from ngcfem.report.colours import MODEL, phase_colours
from ngcfem.report.figures import new_figure, png, styled


def draw_network_profile(network: NetworkFound) -> bytes:
    """Draw the composition across the network.

    Parameters
    ----------
    network : NetworkFound
        The network.

    Returns
    -------
    bytes
        PNG: its element and hydrogen over the distance from the middle, with standard errors and
        the layer that was fitted.
    """
    counted = network.atoms.sum(axis=2)
    total = np.maximum(counted.sum(axis=0), 1.0)
    names = [name for name in (network.parameters.element, "H") if name in network.elements]
    colours = phase_colours(names)
    with styled():
        figure = new_figure(4.9 * len(names), 3.6)
        for name, axes in zip(names, figure.subplots(1, len(names), squeeze=False)[0], strict=True):
            share = counted[network.elements.index(name)] / total
            error = np.sqrt(share * (1.0 - share) / total)
            axes.errorbar(
                network.distance_nm,
                100.0 * share,
                100.0 * error,
                fmt="o",
                markersize=3.0,
                linewidth=0.8,
                color=colours[name],
                label=name,
            )
            if name == network.parameters.element:
                fine = np.linspace(0.0, float(network.distance_nm[-1]), 200)
                axes.plot(
                    fine, 100.0 * network.profile.fraction(fine), color=MODEL, label="layer, fitted"
                )
            axes.set_ylim(bottom=0.0)
            axes.set_xlabel("distance from the middle of the network [nm]")
            axes.set_ylabel(f"{name} [at%]")
            axes.legend(loc="best")
        return png(figure)
