"""How sentences, tables and plots call remedies and measures."""

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
"""How sentences and tables call the remedies."""
WORDS = {
    "balanced_accuracy": "balanced accuracy",
    "f1": "minority F1",
    "average_precision": "average precision",
    "roc_auc": "ROC AUC",
}
