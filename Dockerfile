# Pli in one image: the web client is built by Node, the wheel by hatchling, the server runs on a slim Python without build tools.
# tests/architecture/test_containers.py checks what can be checked without an engine; the image itself is not built in CI.

FROM node:22.20.0-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY web ./
RUN npm run --silent build

FROM python:3.11.14-slim-bookworm AS packages
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/pli && /opt/pli/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && python -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock
COPY LICENSE README.md pyproject.toml ./
COPY crypto crypto
COPY bridges bridges
COPY server server
COPY --from=web /src/server/webroot server/webroot
RUN /opt/build/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /wheel . \
    && /opt/pli/bin/pip install --no-deps --no-index /wheel/*.whl

FROM python:3.11.14-slim-bookworm
# 10001: no such person on the host; /data is the only place that is written.
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin pli \
    && install -d -o pli -g pli -m 0700 /data
COPY --from=packages /opt/pli /opt/pli
ENV PATH=/opt/pli/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PLI_DATA=/data PLI_HOST=0.0.0.0 PLI_PORT=8420
WORKDIR /data
USER 10001
VOLUME /data
EXPOSE 8420
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["/opt/pli/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8420/readyz', timeout=2)"]
ENTRYPOINT ["/opt/pli/bin/pli"]
CMD ["serve"]
