"""What images are measured by: what classifiers see of them, and how alike they are."""
