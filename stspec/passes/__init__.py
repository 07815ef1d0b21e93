"""The graph learns its shapes, parameters, costs and layouts. Imports graph, ops and schema."""
