"""Prediction with saved models, the gate made visible, ONNX."""
