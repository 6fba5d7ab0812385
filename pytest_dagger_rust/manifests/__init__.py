"""Reads Cargo's files as cargo would: files in, model out; no engine, no pytest."""
