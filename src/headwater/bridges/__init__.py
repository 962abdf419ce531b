"""Bridges from Headwater's spans to what others use to look at them. Each needs an extra, and is imported by itself.

pip install 'headwater[opentelemetry]'      from headwater.bridges.opentelemetry import OpenTelemetryBridge
pip install 'headwater[prometheus]'         from headwater.bridges.prometheus import PrometheusBridge
"""
