"""What a detector looks at in images, and by which classifier. Knows no classes."""

import pyarrow as pa

from pipelines.judge.fidelity.detector import Evidence, Model
from pipelines.judge.image.figures import Eye


def of_images(rows: pa.Table, column: str, eye: Eye) -> Evidence:
    """Return the features of images for logistic regression to look at; what one of them is worth says nothing."""
    return Evidence(eye.see(rows, column).features, _linear, lambda *_: {})


def _linear() -> Model:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model: Model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    return model
