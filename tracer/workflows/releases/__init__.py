"""The same question in many releases: matrix, bisection, and the cells that both ask."""
