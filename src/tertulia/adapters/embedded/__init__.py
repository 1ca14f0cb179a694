"""A language model on this machine: llama.cpp in a child process, and the models for it."""
