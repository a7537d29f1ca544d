import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pydantic import ValidationError

from generators.random import seeded
from generators.tabular.copula import Copula
from generators.tabular.sdv import CTGAN, TVAE, CopulaGAN, GaussianCopula
from schemas.plan import SampleRequest

SMALL = {"batch_size": 100, "generator_dim": (32,), "discriminator_dim": (32,)}


def two_classes(common=900, rare=60):
    """Return rows whose number, spread, category and correlation all differ between the classes."""
    rng = np.random.default_rng(1)
    rows = common + rare
    is_rare = np.arange(rows) >= common
    first = rng.normal(np.where(is_rare, 50, 0), np.where(is_rare, 2, 10))
    second = np.where(is_rare, -1, 1) * first + rng.normal(0, 1, rows)
    colour = np.where(rng.random(rows) < np.where(is_rare, 0.9, 0.1), "red", "blue")
    names = np.where(is_rare, "rare", "common")
    return pa.table({"first": first, "second": second, "colour": colour, "y": names})


def draw(generator, stratum, rows=1000):
    return generator.sample(SampleRequest(stratum=stratum, chunk=0, rows=rows, seed=9))


@pytest.mark.parametrize("stratum", ["common", "rare"])
@pytest.mark.parametrize("distribution", ["truncnorm", "norm", "beta"])
def test_copula_has_each_class_s_own_statistics(stratum, distribution):
    table = two_classes()
    generator = GaussianCopula(GaussianCopula.Params(default_distribution=distribution))
    generator.fit(table, "y", 1)
    real, made = table.filter(pc.equal(table["y"], stratum)).to_pandas(), draw(generator, stratum).to_pandas()
    for name in ("first", "second"):
        assert abs(made[name].mean() - real[name].mean()) < 0.3 * real[name].std()
        assert 0.6 < made[name].std() / real[name].std() < 1.4
    assert abs((made["colour"] == "red").mean() - (real["colour"] == "red").mean()) < 0.06
    assert abs(made.corr("pearson", numeric_only=True).iloc[0, 1] - real.corr(numeric_only=True).iloc[0, 1]) < 0.15


@pytest.mark.parametrize(
    "generator",
    [
        CTGAN(CTGAN.Params(epochs=60, generator_lr=2e-3, discriminator_lr=2e-3, **SMALL)),
        CopulaGAN(CopulaGAN.Params(epochs=60, generator_lr=2e-3, discriminator_lr=2e-3, **SMALL)),
        TVAE(TVAE.Params(epochs=40, batch_size=100, learning_rate=5e-3, embedding_dim=16)),
    ],
    ids=["ctgan", "copulagan", "tvae"],
)
def test_joint_models_heed_the_class(generator):
    generator.fit(two_classes(400, 100), "y", 1)
    rare, common = draw(generator, "rare").to_pandas(), draw(generator, "common").to_pandas()
    assert rare["first"].mean() > common["first"].mean() + 10  # 50 in truth; so short a training differs by processor
    assert (rare["colour"] == "red").mean() > (common["colour"] == "red").mean() + 0.3


def test_condition_is_found_whatever_the_label_s_place_and_name():
    """The ctgan package numbers all conditions as if they were of the first discrete column."""
    table = two_classes(300, 300).select(["colour", "first", "y"]).rename_columns(["aa", "n0", "zz.value"])
    generator = CTGAN(CTGAN.Params(epochs=30, generator_lr=2e-3, discriminator_lr=2e-3, **SMALL))
    generator.fit(table, "zz.value", 1)
    model = next(iter(generator._models.values())).fitted
    assert model.layout[0].name == "label"
    assert (model.sample(500, "rare")["label"] == "rare").mean() > 0.9


def test_batch_size_must_fit_pac():
    with pytest.raises(ValidationError, match=r"even multiple of pac, got batch_size 55 and pac 10; .* batch_size 60"):
        CTGAN.Params(batch_size=55)


def test_gpu_that_is_not_there_is_named():
    import torch

    from schemas.errors import GeneratorError

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(GeneratorError, match="set gpu: false"):
        TVAE(TVAE.Params(gpu=True)).fit(two_classes(20, 20), "y", 1)


def test_copula_learns_small_numbers_as_well_as_large_ones():
    """SDV's search for a distribution ends at once where all values are tiny."""
    table = two_classes()
    place = table.column_names.index("first")
    tiny = table.set_column(place, "first", pc.multiply(table["first"], 1e-5))
    generator = GaussianCopula(GaussianCopula.Params())
    generator.fit(tiny, "y", 1)
    real, made = tiny.filter(pc.equal(tiny["y"], "rare")).to_pandas(), draw(generator, "rare").to_pandas()
    assert 0.7 < made["first"].std() / real["first"].std() < 1.3


def reversed_by_sdv(synthesizer, drawn):
    synthesizer.reset_sampling()
    return synthesizer._data_processor.reverse_transform(drawn)


def assert_same(ours, theirs):
    with seeded(5):
        own = ours()
    with seeded(5):
        their = theirs()
    assert set(own.columns) == set(their.columns)
    for name in own:
        np.testing.assert_array_equal(own[name].to_numpy(), their[name].to_numpy(), strict=True)


@pytest.mark.parametrize("distribution", ["norm", "beta", "truncnorm", "gamma", "uniform", "gaussian_kde"])
def test_what_is_kept_of_a_copula_draws_as_sdv_s_own(distribution, monkeypatch, tmp_path):
    made = []
    of = Copula.of
    monkeypatch.setattr(Copula, "of", lambda synthesizer: made.append(synthesizer) or of(synthesizer))
    generator = GaussianCopula(GaussianCopula.Params(default_distribution=distribution))
    generator.fit(two_classes(200, 40), "y", 1)
    for synthesizer, model in zip(made, generator._models.values(), strict=True):
        model.fitted.save(tmp_path)
        for kept in (model.fitted, Copula.load(tmp_path)):
            assert_same(
                lambda kept=kept: kept.sample(100), lambda s=synthesizer: reversed_by_sdv(s, s._model.sample(100))
            )


@pytest.mark.parametrize("kind", [CTGAN, CopulaGAN])
def test_what_is_kept_of_a_gan_draws_as_sdv_s_own(kind, monkeypatch, tmp_path):
    made = []
    kept_of = kind._extract_model
    monkeypatch.setattr(
        kind, "_extract_model", lambda self, synthesizer: made.append(synthesizer) or kept_of(self, synthesizer)
    )
    generator = kind(kind.Params(epochs=2, **SMALL))
    generator.fit(two_classes(300, 60), "y", 1)
    [synthesizer] = made
    synthesizer._model._generator.eval()
    fitted = generator._models["rare"].fitted
    fitted.save(tmp_path)

    def theirs():
        drawn = synthesizer._model.sample(150, "label", "rare")
        if kind is CopulaGAN:
            drawn = synthesizer._gaussian_normalizer_hyper_transformer.reverse_transform(drawn)
        return reversed_by_sdv(synthesizer, drawn)

    for kept in (fitted, generator._load_fitted(tmp_path, "cpu")):
        assert_same(lambda kept=kept: kept.sample(150, "rare"), theirs)


@pytest.mark.parametrize("noisy", [False, True])
def test_rows_are_those_of_ctgan_s_own_transformer(noisy):
    from ctgan.data_transformer import DataTransformer

    from generators.tabular.modes import count_outputs, extract_layout, layout_from_json, layout_to_json, to_frame

    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"a": rng.normal(size=300), "b": rng.choice(["x", "y", "z"], 300), "c": rng.gamma(1, 9, 300)})
    with seeded(1):
        transformer = DataTransformer()
        transformer.fit(frame, ["b"])
    layout = layout_from_json(layout_to_json(extract_layout(transformer)))
    assert count_outputs(layout) == transformer.output_dimensions
    made = rng.normal(size=(80, count_outputs(layout))).astype(np.float32)
    sigmas = rng.uniform(0.1, 1, count_outputs(layout)).astype(np.float32) if noisy else None
    assert_same(lambda: to_frame(layout, made, sigmas), lambda: transformer.inverse_transform(made, sigmas))


def test_a_distribution_is_no_name_of_a_module():
    """The library's own `from_dict` imports and calls whatever the file names."""
    from generators.tabular.copula import distribution_from_json

    with pytest.raises(KeyError):
        distribution_from_json({"name": "subprocess.Popen", "parameters": {}})
