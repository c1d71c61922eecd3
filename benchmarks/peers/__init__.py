"""The same task behind Pulse and behind its peers, each set up as its own documents advise.

One file for each server and task; ``run.py`` installs each peer into a venv of its own and starts it. If you
know one of these servers better than we do, please correct its file.
"""
