"""The names of remedies and measures in sentences, tables and plots."""

from schemas.evaluation import BUILD, MADE_ALONE

TITLES = {
    "raw": "the raw data",
    "class_weights": "class weights",
    "threshold": "a moved threshold",
    "over_sampling": "random over-sampling",
    "smote": "SMOTE",
    "augmentation": "classic augmentation",
    BUILD: "this build",
    MADE_ALONE: "made rows alone",
}
"""The names of remedies in sentences and tables."""
WORDS = {
    "balanced_accuracy": "balanced accuracy",
    "f1": "minority F1",
    "average_precision": "average precision",
    "roc_auc": "ROC AUC",
}
