"""Blobs sealed before they leave the process, over any place."""
