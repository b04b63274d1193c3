"""Meshes of plane cells: areas, topology, angles, sizes, patterns, files."""

from dataclasses import replace

import gmsh
import numpy as np
import pytest

from ngcfem.errors import InputError, RefusedError
from ngcfem.mesh.element_sizes import ElementSizes
from ngcfem.mesh.generation import generate_mesh, generate_recorded_mesh
from ngcfem.mesh.gmsh_session import gmsh_session
from ngcfem.mesh.meshing_options import MeshOptions
from ngcfem.mesh.pairing import quotient_check
from ngcfem.mesh.periodic_mesh import PeriodicMesh
from ngcfem.mesh.plane_outlines import grain_outline
from ngcfem.mesh.plane_quality import (
    PlaneQualityFloor,
    triangle_areas,
    triangle_node_jacobians,
    triangle_shapes,
)
from ngcfem.mesh.plane_sides import without_short_sides
from ngcfem.mesh.quality import measure_mesh, smallest_angle
from ngcfem.mesh.reading import read_mesh, read_written_mesh
from ngcfem.mesh.writing import write_mesh
from ngcfem.microstructure.cell import Cap, Inclusion, Layer
from ngcfem.microstructure.fractions import geometric_fractions
from ngcfem.microstructure.plane_generation import generate_plane_cell, plane_rotation
from ngcfem.microstructure.plane_shape import polygon_area
from ngcfem.microstructure.sections import phase_at
from ngcfem.microstructure.statistics import CompositeStatistics

STATISTICS = CompositeStatistics(
    grain_diameter_nm=10.0,
    grain_diameter_variation=0.25,
    interface_thickness_nm=1.0,
    crystal_diameter_nm=3.0,
    crystal_diameter_variation=0.2,
    crystal_fraction=0.15,
    capped_share=0.5,
    cap_thickness_nm=0.8,
    cap_half_angle_deg=70.0,
)
DENSE = replace(STATISTICS, crystal_fraction=0.25)
LAYERS = (Layer("a", 0.05), Layer("b", 0.3), Layer("a", 0.2), Layer("b", 0.45))
CELLS = {
    "nanocomposite": (generate_plane_cell("nanocomposite", STATISTICS, 3, n_grains=9), 1.5),
    "dense": (
        generate_plane_cell("nanocomposite", DENSE, 4, n_grains=8, cell_aspect=(1.0, 2.0)),
        1.2,
    ),
    "two grains": (generate_plane_cell("nanocomposite", STATISTICS, 5, n_grains=2), 1.5),
    "four grains": (generate_plane_cell("nanoglass", STATISTICS, 6, n_grains=4), 2.5),
    "turned": (
        generate_plane_cell("nanocomposite", STATISTICS, 7, n_grains=6, rotation_deg=25.0),
        1.5,
    ),
    "glass": (generate_plane_cell("glass", STATISTICS), 2.0),
    "coarsest": (generate_plane_cell("homogeneous", phase="a", cell_nm=(5.0, 10.0)), 50.0),
    "laminate": (
        generate_plane_cell("laminate", normal="x", layers=LAYERS, cell_nm=(20.0, 8.0)),
        2.0,
    ),
    "disc": (generate_plane_cell("sphere", fraction=0.3, cell_nm=(8.0, 9.0)), 1.0),
    "small disc": (generate_plane_cell("sphere", fraction=0.01), 2.0),
    "large disc": (generate_plane_cell("sphere", fraction=0.74), 1.0),
}


def assert_sound(mesh: PeriodicMesh) -> None:
    """Check the torus by counting edges anew: no function of the mesh layer is asked."""
    corner = mesh.torus_node[mesh.cells[:, :3]]
    sides = np.sort(np.concatenate([corner[:, [0, 1]], corner[:, [1, 2]], corner[:, [2, 0]]]))
    assert np.all(sides[:, 0] < sides[:, 1])
    edges, count = np.unique(sides, axis=0, return_counts=True)
    assert np.all(count == 2)
    assert len(np.unique(corner)) - len(edges) + len(corner) == 0
    # images are whole periods apart
    step = (mesh.points - mesh.points[mesh.torus_node]) @ np.linalg.inv(mesh.lattice)
    assert np.abs(step - np.round(step)).max() < 1e-13
    a, b, c = (mesh.points[mesh.cells[:, k]] for k in range(3))
    assert np.all((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] > 0.0)


@pytest.mark.parametrize("name", CELLS)
def test_mesh_fills_the_cell_with_the_phases_of_the_geometry(name):
    cell, size_nm = CELLS[name]
    mesh = generate_mesh(cell, size_nm, use_cache=False)
    assert mesh.points.shape[1] == mesh.lattice.shape[0] == mesh.dimension == 2
    quality = measure_mesh(mesh, geometric_fractions(cell))
    # polygons of exactly the areas of grains, discs and caps: round-off alone
    assert quality.volume_nm3 == pytest.approx(cell.volume_nm3, rel=1e-10)
    assert max(abs(e) for e in quality.phase_fraction_errors.values()) < 1e-10
    assert mesh.phase_names == cell.phase_names
    assert quality.minimum_angle_deg >= 20.0
    assert_sound(mesh)


@pytest.mark.parametrize("name", ["nanocomposite", "dense", "turned", "disc", "laminate"])
def test_triangles_lie_where_their_phase_is(name):
    cell, size_nm = CELLS[name]
    mesh = generate_mesh(cell, size_nm, use_cache=False)
    middles = mesh.points[mesh.cells].mean(axis=1) @ cell.rotation
    area = triangle_areas(mesh.points, mesh.cells)
    wrong = phase_at(cell, middles) != mesh.phase
    # only triangles on a chord of a disc or a merged corner can have their middle beyond it
    assert area[wrong].sum() < 0.005 * area.sum()


def test_grain_numbers_are_those_of_the_cell():
    cell, size_nm = CELLS["nanocomposite"]
    mesh = generate_mesh(cell, size_nm, use_cache=False)
    assert set(mesh.grain.tolist()) == set(range(9))
    area = np.bincount(mesh.grain, weights=triangle_areas(mesh.points, mesh.cells))
    # Laguerre cells: merged corners move the sides between grains a little
    diameters = np.sqrt(4.0 * area / np.pi)
    assert diameters.mean() == pytest.approx(10.0, rel=2e-3)
    crystals = mesh.phase == cell.phase_names.index("nanocrystal")
    for inclusion in cell.inclusions:
        away = mesh.points[mesh.cells].mean(axis=1) - np.array(inclusion.centre_nm)
        period = np.diag(cell.lattice)
        away -= period * np.round(away / period)
        inside = crystals & (np.linalg.norm(away, axis=1) < inclusion.radius_nm)
        assert set(mesh.grain[inside].tolist()) == {inclusion.grain}


def test_a_turned_cell_gives_the_turned_mesh():
    cell, size_nm = CELLS["turned"]
    turned = generate_mesh(cell, size_nm, use_cache=False)
    plain = generate_mesh(replace(cell, rotation=np.eye(2)), size_nm, use_cache=False)
    rotation = plane_rotation(25.0)
    np.testing.assert_array_equal(turned.cells, plain.cells)
    np.testing.assert_allclose(turned.points, plain.points @ rotation.T, atol=1e-12)
    np.testing.assert_allclose(turned.lattice, plain.lattice @ rotation.T, atol=1e-12)


def test_fifty_seeds():
    statistics = replace(STATISTICS, crystal_fraction=0.08)
    for seed in range(1, 51):
        cell = generate_plane_cell("nanocomposite", statistics, seed, n_grains=4 + seed % 5)
        made = generate_recorded_mesh(cell, 1.5, use_cache=False)
        quality = measure_mesh(made.mesh, geometric_fractions(cell))
        assert made.record.route == "plane"
        assert quality.minimum_angle_deg >= 20.0
        assert max(abs(e) for e in quality.phase_fraction_errors.values()) < 1e-10
        assert_sound(made.mesh)


@pytest.mark.parametrize("number", [16, 64, pytest.param(144, marks=pytest.mark.slow)])
def test_many_grains(number):
    cell = generate_plane_cell("nanocomposite", STATISTICS, 1, n_grains=number)
    mesh = generate_mesh(cell, 2.0, use_cache=False)
    assert measure_mesh(mesh).minimum_angle_deg >= 20.0
    assert_sound(mesh)


def test_same_cell_gives_the_same_mesh():
    cell, size_nm = CELLS["two grains"]
    first = generate_mesh(cell, size_nm, use_cache=False).sha256
    generate_mesh(*CELLS["disc"], use_cache=False)  # nothing is carried over in between
    assert generate_mesh(cell, size_nm).sha256 == first
    assert generate_mesh(cell, size_nm).sha256 == first  # from the cache


def test_local_sizes():
    cell, _ = CELLS["four grains"]
    options = MeshOptions(interface_size_nm=0.3, grain_interior_size_nm=2.0)
    mesh = generate_mesh(cell, 1.0, options, use_cache=False)
    length = np.sqrt(4.0 / np.sqrt(3.0) * triangle_areas(mesh.points, mesh.cells))
    network = mesh.phase == cell.phase_names.index("interface")
    # the edge of the equilateral triangle of the mean area
    assert 0.2 < length[network].mean() < 0.4
    assert length[~network].max() > 1.2
    assert measure_mesh(mesh).minimum_angle_deg >= 20.0


def test_outlines_have_the_areas_of_the_geometry():
    cap = Cap(axis=(0.6, 0.8), half_angle_deg=70.0, thickness_nm=0.5)
    capped = Inclusion(centre_nm=(1.0, 2.0), radius_nm=1.4, cap=cap)
    plain = Inclusion(centre_nm=(-1.0, -2.0), radius_nm=1.1)
    square = np.array([[-6.0, -6.0], [6.0, -6.0], [6.0, 6.0], [-6.0, 6.0]])
    outline = grain_outline(square, [capped, plain], ElementSizes(0.8, 0.6))
    assert polygon_area(outline.ring) == pytest.approx(144.0, rel=1e-13)
    first, second = outline.discs
    assert first.under_cap is not None
    assert first.over_cap is not None
    assert second.under_cap is None
    disc = np.concatenate([first.bare[:-1], first.under_cap[:-1]])
    around = np.concatenate([first.over_cap[:-1], first.under_cap[:0:-1]])
    assert polygon_area(disc) == pytest.approx(np.pi * 1.4**2, rel=1e-13)
    ring = np.radians(70.0) * (1.9**2 - 1.4**2)
    assert polygon_area(around) == pytest.approx(ring, rel=1e-13)
    assert polygon_area(second.bare) == pytest.approx(np.pi * 1.1**2, rel=1e-13)
    assert len(second.bare) >= 12


def test_pieces_are_no_longer_than_gaps_allow():
    near = [
        Inclusion(centre_nm=(0.0, 0.0), radius_nm=1.5),
        Inclusion(centre_nm=(3.2, 0.0), radius_nm=1.5),
    ]
    disc = grain_outline(np.zeros((0, 2)), near, ElementSizes(2.0, 2.0)).discs[0].bare
    length = np.linalg.norm(np.roll(disc, -1, axis=0) - disc, axis=1)
    facing = np.argmax(disc[:, 0])
    # the gap is 0.2 nm wide there, and 12 pieces go round where nothing is near
    assert min(length[facing], length[facing - 1]) < 0.5
    assert length.max() > 0.55


def test_short_sides_go_and_the_area_stays():
    corners = np.array([[0.0, 0.0], [4.0, 0.0], [4.1, 0.1], [4.0, 3.0], [0.0, 3.0]])
    merged = without_short_sides(corners, 0.3)
    assert len(merged) == 4
    assert polygon_area(merged) == pytest.approx(polygon_area(corners), rel=1e-13)
    triangle = corners[[0, 1, 3]]
    np.testing.assert_allclose(without_short_sides(triangle, 10.0), triangle, atol=1e-14)


@pytest.mark.parametrize(("pattern", "number"), [("crossed", 4 * 32), ("diagonal", 2 * 32)])
def test_patterns_of_a_rectangle(pattern, number):
    cell = generate_plane_cell("homogeneous", phase="glass", cell_nm=(4.0, 8.0))
    mesh = generate_mesh(cell, 1.0, MeshOptions(plane_pattern=pattern), use_cache=False)
    assert len(mesh.cells) == number
    assert_sound(mesh)
    middles = mesh.points[mesh.cells].mean(axis=1)
    mirrored = np.array([4.0, 0.0]) + middles * np.array([-1.0, 1.0])

    def places(x: np.ndarray) -> set[tuple[float, float]]:
        return {(a, b) for a, b in np.round(x, 9).tolist()}

    # only the crossed pattern is its own mirror image
    assert (places(middles) == places(mirrored)) == (pattern == "crossed")


def test_rectangle_without_structure():
    cell = generate_plane_cell("homogeneous", phase="glass", cell_nm=(10.0, 20.0))
    options = MeshOptions(plane_pattern="unstructured")
    mesh = generate_mesh(cell, 1.5, options, use_cache=False)
    assert measure_mesh(mesh).minimum_angle_deg > 30.0
    assert_sound(mesh)
    with pytest.raises(RefusedError, match="too coarse"):
        generate_mesh(cell, 50.0, options, use_cache=False)


def test_layers_lie_where_they_were_asked_for():
    cell, size_nm = CELLS["laminate"]
    mesh = generate_mesh(cell, size_nm, use_cache=False)
    height = mesh.points[mesh.cells].mean(axis=1)[:, 0] / 20.0
    expected = np.where((height < 0.05) | ((height > 0.35) & (height < 0.55)), 0, 1)
    np.testing.assert_array_equal(mesh.phase, expected)


def test_measures_of_known_triangles():
    regular = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, np.sqrt(3.0)]])
    right = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    shapes = triangle_shapes(np.array([regular, right, right[::-1]]))
    np.testing.assert_allclose(shapes.area, [np.sqrt(3.0), 6.0, -6.0], rtol=1e-14)
    # 3-4-5: r_in = 1, r_circ = 2.5; height on 5 is 12/5
    np.testing.assert_allclose(shapes.gamma, [1.0, 0.8, 0.8], rtol=1e-14)
    smallest = np.degrees(np.arcsin(0.6))
    np.testing.assert_allclose(shapes.minimum_angle_deg, [60.0, smallest, smallest], rtol=1e-13)
    np.testing.assert_allclose(shapes.maximum_angle_deg, [60.0, 90.0, 90.0], rtol=1e-13)
    np.testing.assert_allclose(shapes.aspect_ratio[1], 25.0 / 12.0, rtol=1e-14)


def test_area_of_a_curved_triangle():
    corners = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    middles = np.array([[1.0, -0.3], [1.0, 1.0], [0.0, 1.0]])
    points, cells = np.concatenate([corners, middles]), np.arange(6)[None]
    # below the chord lies a segment of a parabola: two thirds of chord times height
    assert triangle_areas(points, cells)[0] == pytest.approx(2.0 + 2.0 / 3.0 * 2.0 * 0.3, rel=1e-13)
    points[3] = [1.0, 0.6]
    assert triangle_node_jacobians(points, cells).min() < 0.0


def test_poor_meshes_are_refused():
    cell, size_nm = CELLS["two grains"]
    options = MeshOptions(plane_floor=PlaneQualityFloor(minimum_angle_deg=50.0))
    with pytest.raises(RefusedError, match=r"smallest angle .* at least 50 asked for"):
        generate_mesh(cell, size_nm, options, use_cache=False)
    assert "smallest angle: " in smallest_angle(
        measure_mesh(generate_mesh(cell, size_nm, use_cache=False))
    )


def test_torn_meshes_are_found():
    mesh = generate_mesh(*CELLS["four grains"], use_cache=False)
    assert quotient_check(mesh.points, mesh.cells, mesh.torus_node).accepted
    without = quotient_check(mesh.points, mesh.cells[1:], mesh.torus_node)
    assert without.facets_not_shared_by_two == 3
    assert without.euler_characteristic == -1
    twice = np.concatenate([mesh.cells, mesh.cells[:1]])
    assert quotient_check(mesh.points, twice, mesh.torus_node).duplicate_cells == 1


@pytest.mark.parametrize("name", ["nanocomposite", "turned", "laminate"])
def test_written_mesh_reads_back_bit_for_bit(tmp_path, name):
    mesh = generate_mesh(*CELLS[name], use_cache=False)
    write_mesh(mesh, tmp_path / "plane.msh")
    assert read_written_mesh(tmp_path / "plane.msh").sha256 == mesh.sha256


def write_user_mesh(
    path, *, order: int = 1, height: float = 0.0, named: bool = True, binary: bool = False
) -> None:
    """Write a periodic square of 10 x 10 with a round hole filled by another surface."""
    options = {"Mesh.MeshSizeMax": 2.0, "Mesh.Binary": float(binary), "Mesh.ElementOrder": order}
    with gmsh_session("user", options):
        occ = gmsh.model.occ
        square = occ.addRectangle(0.0, 0.0, height, 10.0, 10.0)
        disc = occ.addDisk(5.0, 5.0, height, 2.5, 2.5)
        occ.fragment([(2, square)], [(2, disc)])
        occ.synchronize()

        def lines(low: list[float], high: list[float]) -> list[int]:
            found = gmsh.model.getEntitiesInBoundingBox(*low, *high, dim=1)
            return [tag for _, tag in found]

        e, top, bottom = 1e-3, height + 1e-3, height - 1e-3
        for axis in (0, 1):
            here, there = [-e, -e, bottom], [10.0 + e, 10.0 + e, top]
            near, far = list(there), list(here)
            near[axis], far[axis] = e, 10.0 - e
            affine = np.eye(4)
            affine[axis, 3] = 10.0
            gmsh.model.mesh.setPeriodic(
                1, lines(far, there), lines(here, near), affine.ravel().tolist()
            )
        surfaces = [tag for _, tag in gmsh.model.getEntities(2)]
        area = {tag: occ.getMass(2, tag) for tag in surfaces}
        for number, tag in enumerate(sorted(surfaces, key=lambda tag: -area[tag])):
            if named or number == 0:
                gmsh.model.addPhysicalGroup(2, [tag], number + 1, ("glass", "steel")[number])
        if not named:
            gmsh.option.setNumber("Mesh.SaveAll", 1)
        gmsh.model.mesh.generate(2)
        gmsh.write(str(path))


@pytest.mark.parametrize(("order", "binary"), [(1, False), (2, True)])
def test_user_mesh_of_the_plane(tmp_path, order, binary):
    path = tmp_path / "user.msh"
    write_user_mesh(path, order=order, binary=binary)
    mesh = read_mesh(path, length_unit_nm=2.0, dimension=2)
    assert mesh.phase_names == ("glass", "steel")
    assert mesh.order == order
    assert mesh.cells.shape[1] == 3 * order
    np.testing.assert_allclose(mesh.lattice, 20.0 * np.eye(2), rtol=1e-12)
    quality = measure_mesh(mesh)
    assert quality.volume_nm3 == pytest.approx(400.0, rel=1e-9)
    disc = np.pi * 2.5**2 / 100.0
    # straight chords lose (2 pi / n)^2 / 6 with n = 8 or more, parabolas next to nothing
    assert quality.phase_fractions["steel"] == pytest.approx(disc, rel=0.11 if order == 1 else 2e-3)
    assert_sound(mesh)


def test_wrong_user_meshes_are_explained(tmp_path):
    write_user_mesh(tmp_path / "unnamed.msh", named=False)
    with pytest.raises(InputError, match="Physical Surface"):
        read_mesh(tmp_path / "unnamed.msh", dimension=2)
    write_user_mesh(tmp_path / "plane.msh", height=3.0)
    assert read_mesh(tmp_path / "plane.msh", dimension=2).dimension == 2
    with pytest.raises(InputError, match="no volume elements"):
        read_mesh(tmp_path / "plane.msh")
    with pytest.raises(InputError, match="period_nm"):
        read_mesh(tmp_path / "plane.msh", dimension=2, period_nm=np.diag([5.0, 10.0]))


def test_a_body_is_no_plane_mesh(shipped_meshes):
    with pytest.raises(InputError, match="dimension = 3"):
        read_mesh(shipped_meshes / "sphere_straight.msh", dimension=2)


def test_a_tilted_mesh_is_no_plane_mesh(tmp_path):
    write_user_mesh(tmp_path / "plane.msh")
    with gmsh_session("tilt"):
        gmsh.merge(str(tmp_path / "plane.msh"))
        gmsh.model.mesh.affineTransform([1, 0, 0, 0, 0, 1, 0, 0, 0.1, 0, 1, 0])
        gmsh.write(str(tmp_path / "tilted.msh"))
    with pytest.raises(InputError, match="all nodes in one plane"):
        read_mesh(tmp_path / "tilted.msh", dimension=2)
