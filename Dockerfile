# The image of every task on Vertex AI and Kubeflow, and of the router.
#
#   docker build --tag clickwright:0.1.0 .
#   docker build --tag clickwright:0.1.0-gpu --target gpu .
#   docker run --rm clickwright:0.1.0 zoo
#
# A command of its own, as both services give one, is run in place of `clickwright`;
# `python` is the one that has it installed.

# Debian 13 has glibc 2.41 and Python 3.13: TFX's own wheels load, none stands in.
FROM debian:13-slim AS python
# hadolint ignore=DL3008 # within a release Debian changes packages to mend them
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/clickwright/bin:$PATH \
    PYTHONUNBUFFERED=1


# Everything but the product itself, by the lock.
FROM python AS environment
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir uv==0.13.8
ENV UV_NO_CACHE=1 \
    UV_COMPILE_BYTECODE=1 \
    UV_PYTHON=/opt/clickwright/bin/python
WORKDIR /build
COPY docker/requirements.txt docker/
RUN /opt/uv/bin/uv venv --python /usr/bin/python3 /opt/clickwright \
    && /opt/uv/bin/uv pip sync --require-hashes docker/requirements.txt


# The product, laid out to be copied over the environment: a layer of its own, so that
# changed sources leave the large one as it is.
FROM environment AS product
COPY LICENSE README.md pyproject.toml ./
COPY components components
COPY experiments experiments
COPY models models
COPY pipeline pipeline
COPY schemas schemas
COPY serving serving
RUN /opt/uv/bin/uv build --wheel --no-build-isolation --out-dir dist \
    && /opt/uv/bin/uv pip install --no-deps --prefix /installed dist/*.whl


# CUDA's libraries, likewise; the driver comes from the machine.
FROM environment AS cuda
COPY docker/requirements_gpu.txt docker/
RUN /opt/uv/bin/uv pip install --no-deps --require-hashes --prefix /installed \
    --requirements docker/requirements_gpu.txt


FROM python AS base
LABEL org.opencontainers.image.title="clickwright" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# Kubeflow's launcher runs as this user and lays artifacts into the first three folders;
# on Vertex AI the first is mounted.
RUN useradd --uid 10001 --create-home clickwright \
    && install --directory --owner clickwright --group clickwright \
    /gcs /minio /s3 /work
COPY --from=environment /opt/clickwright /opt/clickwright
WORKDIR /work
# The number, so that a cluster can see that it is not root.
USER 10001:10001
ENTRYPOINT ["clickwright"]
CMD ["--help"]


FROM base AS gpu
COPY --from=cuda /installed /opt/clickwright
COPY --from=product /installed /opt/clickwright
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility


FROM base AS cpu
COPY --from=product /installed /opt/clickwright
