"""The rules of flowmesh: pure functions over plain data, standard library only."""
