"""The parts of which `scripts/make_sample_resumes.py` composes its invented resumes."""
