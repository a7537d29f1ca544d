"""What rows of tables are measured by: what classifiers see of them, how alike they are, what is rare in one."""
