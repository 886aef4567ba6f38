# Pli in one image: the web client is built by Node, the server runs on a slim Python without build tools.
# The parts that can be checked without an engine are (tests/architecture/test_containers.py); the build itself is not run in CI.

FROM node:22.20.0-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY web ./
RUN npm run --silent build

FROM python:3.11.14-slim-bookworm AS packages
COPY requirements.lock ./
RUN python -m venv /opt/pli && /opt/pli/bin/pip install --no-cache-dir --no-compile --require-hashes -r requirements.lock

FROM python:3.11.14-slim-bookworm
# 10001: no such person on the host; /data is the only place that is written.
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin pli \
    && install -d -o pli -g pli -m 0700 /data
WORKDIR /app
COPY --from=packages /opt/pli /opt/pli
COPY LICENSE pyproject.toml ./
COPY crypto crypto
COPY bridges bridges
COPY server server
COPY --from=web /src/server/webroot server/webroot
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PLI_DATA=/data PLI_HOST=0.0.0.0 PLI_PORT=8420
USER 10001
VOLUME /data
EXPOSE 8420
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["/opt/pli/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8420/readyz', timeout=2)"]
ENTRYPOINT ["/opt/pli/bin/python", "-m", "server"]
CMD ["serve"]
