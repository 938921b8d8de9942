"""The Hugging Face Hub: where models come from, and the cards of those we make."""
