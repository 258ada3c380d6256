"""Reports by the hundred: what is to be made, kernels that make it, the place it comes to, and the record of what became of it."""
