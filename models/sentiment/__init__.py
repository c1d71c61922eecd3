"""The embedded sentiment model: fine-tune a small encoder, quantise it, write its model card.

Start reading in ``train.py``. Nothing here is imported by ``pulse_ai``; what is
shipped is the folder of files that ``export.py`` writes.
"""
