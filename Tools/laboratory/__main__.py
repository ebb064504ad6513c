"""Compares methods that are tuned alike: python3 Tools/laboratory Tools/laboratory/shapes.json

Makes the runs of a file of methods, records each finished one, and writes a page and a chart. It can be stopped at any
time and started again: recorded runs are not repeated, and stopped ones go on. docs/laboratory.md describes the file
and the rules.
"""

from command import main

main()
