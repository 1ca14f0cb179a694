"""Blobs in a bucket of S3 (extra `s3`)."""
