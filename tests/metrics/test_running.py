import json

import numpy as np
import pytest
import running
import torch
from hypothesis import given
from hypothesis import strategies as st

from hfloop.metrics.frechet_distance.frechet import FeatureStatistics, frechet_distance
from hfloop.metrics.running import RunningStatistics


def features(n: int, dimension: int = 6, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, dimension, generator=generator) @ torch.randn(dimension, dimension, generator=generator) + 3


def covariance(statistics: FeatureStatistics) -> np.ndarray:
    return statistics.factor @ statistics.factor.T


@given(st.lists(st.integers(0, 25), min_size=1, max_size=12).filter(lambda sizes: sum(sizes) > 8))
def test_batches_of_any_sizes_give_the_statistics_of_the_whole(sizes):
    points = features(sum(sizes))
    streamed = RunningStatistics.over(points.split(sizes)).statistics()
    whole = FeatureStatistics.of(points.numpy())
    assert streamed.n == whole.n
    np.testing.assert_allclose(streamed.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(covariance(streamed), covariance(whole), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 7, 64, 300])
def test_the_distance_does_not_depend_on_the_batch_size(batch_size):
    reference = FeatureStatistics.of(features(400, seed=1).numpy())
    streamed = RunningStatistics.over(features(300).split(batch_size)).statistics()
    at_once = frechet_distance(reference, FeatureStatistics.of(features(300).numpy()))
    assert frechet_distance(reference, streamed) == pytest.approx(at_once, rel=1e-12)


def test_a_mean_that_is_large_beside_the_spread_costs_no_digits():
    points = features(500).double()
    near, far = (RunningStatistics.over((points + offset).split(50)).statistics() for offset in (0, 1e6))
    np.testing.assert_allclose(covariance(far), covariance(near), rtol=1e-8)


def test_what_two_have_counted_can_be_put_together():
    points = features(300)
    first = RunningStatistics.over(points[:40].split(16))
    first.merge(RunningStatistics.over(points[40:].split(9)))
    first.merge(RunningStatistics(6))
    np.testing.assert_allclose(
        covariance(first.statistics()), covariance(FeatureStatistics.of(points.numpy())), rtol=1e-12
    )


SCRIPT = """
import json, sys, os
import torch
from accelerate import Accelerator
from hfloop.metrics.frechet_distance.frechet import FeatureStatistics, frechet_distance
from hfloop.metrics.running import RunningStatistics

accelerator = Accelerator(cpu=True)
real, fake = (torch.load(name, weights_only=True) for name in ("real.pt", "fake.pt"))
sums = RunningStatistics(fake.shape[1])
share = fake[:70] if accelerator.process_index == 0 else fake[70:]  # unequal shares
for batch in share.split(32):
    sums.update(batch)
empty = RunningStatistics(fake.shape[1])
if accelerator.process_index == 1:
    empty.update(fake)  # the first process has none at all
reference = FeatureStatistics.of(real.numpy())
found = [frechet_distance(reference, each.gathered(accelerator).statistics()) for each in (sums, empty)]
with open(f"{accelerator.process_index}.json", "w") as file:
    json.dump([accelerator.num_processes, found], file)
"""


def test_two_processes_with_unequal_shares_find_the_distance_that_one_finds(tmp_path):
    real, fake = features(400, seed=1), features(300)
    torch.save(real, tmp_path / "real.pt")
    torch.save(fake, tmp_path / "fake.pt")
    (tmp_path / "script.py").write_text(SCRIPT)
    ended = running.start(str(tmp_path / "script.py"), [], tmp_path, processes=2).wait()
    assert ended.exit_code == 0, ended.output
    alone = frechet_distance(FeatureStatistics.of(real.numpy()), RunningStatistics.over([fake]).statistics())
    for rank in (0, 1):
        processes, found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert processes == 2
        assert found == pytest.approx([alone, alone], rel=1e-12)


def test_too_few_images_and_features_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="2 or more images, not 1"):
        RunningStatistics.over([features(1)]).statistics()
    with pytest.raises(ValueError, match="NaN or infinity"):
        RunningStatistics.over([torch.full((3, 2), torch.nan)]).statistics()
