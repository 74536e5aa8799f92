"""Tests of `consentmilter.exporters`."""
