"""What stands between two matrix products: formulas, and Triton kernels for them."""
