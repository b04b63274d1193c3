import os
import subprocess
import sys

import numpy as np
import pytest

from ngcfem.constitutive.batch import LAWS, BatchedLaw, BatchResult
from ngcfem.constitutive.batch import _compiled as compiled_kernel
from ngcfem.constitutive.nonlocal_parameters import NONLOCAL_NAMES
from ngcfem.constitutive.parameters import LAW_PARAMETERS

J2 = {"youngs_modulus_gpa": 130.0, "poisson_ratio": 0.33, "yield_strength_gpa": 2.5}
CHUNK_SIZE = 64


@pytest.fixture
def law():
    return BatchedLaw("j2", "finite", chunk_size=CHUNK_SIZE)


def gradients(n, size=0.05, seed=0):
    rng = np.random.default_rng(seed)
    return np.eye(3).reshape(9) + size * rng.normal(size=(n, 9))


def test_laws_and_their_parameters_belong_together():
    assert set(LAWS) == set(LAW_PARAMETERS)
    for name, specs in LAW_PARAMETERS.items():
        own = [spec for spec in specs if spec.name not in NONLOCAL_NAMES]
        fields = LAWS[name].unpack(np.zeros(len(own)))._fields
        names = tuple(spec.name for spec in specs)
        assert fields == tuple(name for name in names if name not in NONLOCAL_NAMES)
        takes_a_field = LAWS[name].nonlocal_variable is not None
        lengths = {"characteristic_length_nm", "diffusion_coefficient_nm2_per_s"}
        assert takes_a_field is bool(lengths & set(names))


@pytest.mark.parametrize(
    ("name", "columns", "plastic"), [("elastic", 0, None), ("j2", 7, 6), ("drucker-prager", 7, 6)]
)
def test_state_layout(name, columns, plastic):
    finite, small = BatchedLaw(name, "finite"), BatchedLaw(name, "small")
    for law in (finite, small):
        assert law.number_of_state_variables == len(law.state_names) == columns
        assert law.plastic_strain_index == plastic
        assert law.initial_state(3).shape == (3, columns)
    np.testing.assert_array_equal(small.initial_state(2), np.zeros((2, columns)))
    if columns:
        np.testing.assert_array_equal(finite.initial_state(1), [[1, 1, 1, 0, 0, 0, 0]])
        assert finite.state_names[6] == "equivalent_plastic_strain"


@pytest.mark.parametrize("n", [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE])
def test_points_do_not_depend_on_their_neighbours_or_the_chunk(law, n):
    F = gradients(3 * CHUNK_SIZE)[:n]
    parameters = law.parameter_vector(J2)
    result = law.update(F, law.initial_state(n), parameters, 1.0)
    assert result.first_piola_kirchhoff_stress.shape == (n, 9)
    assert result.consistent_tangent.shape == (n, 81)
    for k in range(0, n, 17):
        alone = law.update(F[k : k + 1], law.initial_state(1), parameters, 1.0)
        for name in ("first_piola_kirchhoff_stress", "consistent_tangent", "state", "status"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(result, name)[k])


def test_results_survive_later_updates(law):
    """Arrays handed out are the caller's own; no later call writes to them."""
    parameters = law.parameter_vector(J2)
    F = gradients(100)
    first = law.update(F, law.initial_state(100), parameters, 1.0)
    kept = [first.first_piola_kirchhoff_stress.copy(), first.state.copy()]
    law.update(gradients(100, seed=1), first.state, parameters, 1.0)
    np.testing.assert_array_equal(first.first_piola_kirchhoff_stress, kept[0])
    np.testing.assert_array_equal(first.state, kept[1])


def test_input_may_be_read_only_and_strided(law):
    parameters = law.parameter_vector(J2)
    wide = np.repeat(gradients(30), 2, axis=1)
    F = wide[:, ::2]
    state = law.initial_state(30)
    F.flags.writeable = state.flags.writeable = False
    result = law.update(F, state, parameters, 1.0)
    same = law.update(gradients(30), law.initial_state(30), parameters, 1.0)
    np.testing.assert_array_equal(result.state, same.state)


def test_writes_to_the_arrays_given(law):
    parameters, F, state = law.parameter_vector(J2), gradients(70), law.initial_state(70)
    expected = law.update(F, state, parameters, 1.0)
    out = BatchResult(
        np.full((70, 9), -1.0),
        np.full((70, 81), -1.0),
        np.full((70, 7), -1.0),
        np.full(70, -1, dtype=np.int32),
    )
    assert law.update(F, state, parameters, 1.0, out=out) is out
    np.testing.assert_array_equal(out.consistent_tangent, expected.consistent_tangent)
    np.testing.assert_array_equal(out.state, expected.state)
    np.testing.assert_array_equal(out.status, 0)


def test_refuses_to_write_over_the_state_it_reads(law):
    state = law.initial_state(5)
    out = BatchResult(np.empty((5, 9)), np.empty((5, 81)), state, np.empty(5, dtype=np.int32))
    with pytest.raises(ValueError, match="state"):
        law.update(gradients(5), state, law.parameter_vector(J2), 1.0, out=out)


def test_stress_alone_equals_stress_with_tangent(law):
    parameters, F = law.parameter_vector(J2), gradients(50)
    both = law.update(F, law.initial_state(50), parameters, 1.0)
    alone = law.update(F, law.initial_state(50), parameters, 1.0, tangent=False)
    assert alone.consistent_tangent is None
    # Two compilations may order sums differently: rounding of 200 GPa.
    np.testing.assert_allclose(
        alone.first_piola_kirchhoff_stress, both.first_piola_kirchhoff_stress, rtol=0, atol=1e-12
    )


def test_time_viscosity_and_parameters_do_not_compile_again(law):
    F, state = gradients(10), law.initial_state(10)
    law.update(F, state, law.parameter_vector(J2), 1.0)
    kernel = compiled_kernel("j2", "finite", True)
    before = kernel._cache_size()
    other = BatchedLaw("j2", "finite", chunk_size=CHUNK_SIZE)
    for k in range(1, 4):
        parameters = other.parameter_vector({**J2, "yield_strength_gpa": 1.0 + k})
        other.update(F, state, parameters, 0.1 * k, viscosity_gpa_s=float(k))
    assert kernel._cache_size() == before


@pytest.mark.parametrize("name", ["elastic", "j2", "drucker-prager"])
@pytest.mark.parametrize("kinematics", ["finite", "small"])
def test_bad_points_are_flagged_and_not_advanced(name, kinematics):
    law = BatchedLaw(name, kinematics, chunk_size=CHUNK_SIZE)
    values = J2 if name != "elastic" else {k: J2[k] for k in list(J2)[:2]}
    if name == "drucker-prager":
        values = {**J2, "friction_coefficient": 0.1}
    F = gradients(8, size=0.02)
    F[1] = np.diag([-1.0, 1.0, 1.0]).reshape(9)
    F[2] = np.diag([1.0, 0.0, 1.0]).reshape(9)
    F[3, 4] = np.nan
    F[4, 0] = np.inf
    F[5] *= 1e200
    state = law.initial_state(8)
    if name != "elastic":
        state[6, 0] = np.nan
    result = law.update(F, state, law.parameter_vector(values), 1.0)
    inverted = 2 if kinematics == "finite" else 0
    unusable = 3 if name != "elastic" else 0
    assert list(result.status[:5]) == [0, inverted, inverted, 3, 3]
    assert list(result.status[6:]) == [unusable, 0]
    assert result.status[5] != 0 or np.all(np.isfinite(result.first_piola_kirchhoff_stress[5]))
    bad = result.status != 0
    np.testing.assert_array_equal(result.state[bad], state[bad])
    assert np.all(np.isnan(result.first_piola_kirchhoff_stress[bad]))
    assert np.all(np.isnan(result.consistent_tangent[bad]))
    assert np.all(np.isfinite(result.first_piola_kirchhoff_stress[~bad]))
    assert np.all(np.isfinite(result.consistent_tangent[~bad]))
    assert np.all(np.isfinite(result.state[~bad]))


@pytest.mark.parametrize("dt", [0.0, -1.0, np.nan, np.inf])
def test_time_increment_must_be_positive(law, dt):
    with pytest.raises(ValueError, match="time increment"):
        law.update(gradients(2), law.initial_state(2), law.parameter_vector(J2), dt)


def test_wrong_arguments_are_refused(law):
    parameters = law.parameter_vector(J2)
    with pytest.raises(ValueError, match="viscosity"):
        law.update(gradients(2), law.initial_state(2), parameters, 1.0, viscosity_gpa_s=-1.0)
    with pytest.raises(ValueError, match="shapes"):
        law.update(gradients(2), law.initial_state(3), parameters, 1.0)
    with pytest.raises(ValueError, match="unknown law"):
        BatchedLaw("mohr", "finite")
    with pytest.raises(ValueError, match="kinematics"):
        BatchedLaw("j2", "large")
    with pytest.raises(ValueError, match="chunk_size"):
        BatchedLaw("j2", "finite", chunk_size=0)


def test_compiled_code_is_kept_under_the_users_cache_directory(tmp_path):
    code = (
        "import numpy as np\n"
        "from ngcfem.constitutive.batch import BatchedLaw\n"
        "law = BatchedLaw('elastic', 'small', chunk_size=2)\n"
        "p = law.parameter_vector({'youngs_modulus_gpa': 1.0, 'poisson_ratio': 0.3})\n"
        "law.update(np.eye(3).reshape(1, 9), law.initial_state(1), p, 1.0)\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    kept = list((tmp_path / "ngcfem" / "xla").glob("*/*-cache"))
    assert len(kept) >= 1
    # Where nothing can be written the laws work all the same.
    blocked = tmp_path / "file"
    blocked.write_text("")
    environment["XDG_CACHE_HOME"] = str(blocked)
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
