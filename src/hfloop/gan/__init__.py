"""Generative adversarial networks: networks, objectives, penalties, latents, training, alarms."""
