"""The kernel distance (KID) between two sets of features."""
