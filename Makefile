.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

generate: ## Regenerate the Python stubs from protos/
	rm -rf clients/python/flowmesh/v1
	mkdir -p clients/python/flowmesh/v1
	$(PYTHON) -m grpc_tools.protoc -Iprotos --python_out=clients/python --pyi_out=clients/python \
	  protos/flowmesh/v1/*.proto
	$(PYTHON) -m grpc_tools.protoc -Iprotos --grpc_python_out=clients/python \
	  --plugin=protoc-gen-mypy_grpc=.venv/bin/protoc-gen-mypy_grpc --mypy_grpc_out=quiet:clients/python \
	  protos/flowmesh/v1/*_service.proto
	touch clients/python/flowmesh/v1/__init__.py
.PHONY: generate
