"""What must hold for every architecture, whoever wrote it: the checks behind `pixelcnn check`.

They run in float64 with every weight drawn at random, so that no zero-initialised layer hides a
fault, and they look at the model through its public door only: integers in, parameters out.
`architecture` runs them all; `leaks`, the most important one, knows no sampler. Called by the command
line, `analysis` and the tests.
"""
