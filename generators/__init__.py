"""The models that make rows. Each runs without Ray and Prefect; heavy libraries are imported where they are used."""

GENERATORS = {
    "autoregressive": "generators.tabular.autoregressive:Autoregressive",
    "dp_autoregressive": "generators.tabular.dp_autoregressive:DPAutoregressive",
    "gaussian_copula": "generators.tabular.sdv:GaussianCopula",
    "ctgan": "generators.tabular.sdv:CTGAN",
    "tvae": "generators.tabular.sdv:TVAE",
    "copulagan": "generators.tabular.sdv:CopulaGAN",
    "smote": "generators.tabular.smote:SMOTE",
    "resample": "generators.resample:Resample",
    "edit": "generators.text.edit:Edit",
    "causal_lm": "generators.text.causal_lm:CausalLM",
    "seq2seq": "generators.text.seq2seq:Seq2Seq",
    "endpoint": "generators.text.endpoint:Endpoint",
    "vllm": "generators.text.vllm:VLLM",
    "diffusion": "generators.image.diffusion:Diffusion",
    "gan": "generators.image.gan:GAN",
    "vae": "generators.image.vae:VAE",
    "augment": "generators.image.augment:Augment",
    "pretrained": "generators.image.pretrained:Pretrained",
}
"""Every generator by the name that a spec gives it."""
