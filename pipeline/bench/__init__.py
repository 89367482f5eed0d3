"""What measures the product, and known answers; no film needs it."""
