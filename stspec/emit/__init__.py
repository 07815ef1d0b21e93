"""The graph becomes source: classes are planned, then rendered. Imports passes and graph."""
