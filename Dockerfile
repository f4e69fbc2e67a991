# The base image for Lambda functions.
#
#   target python       (default) functions in Python: rapid, and our runtime as /var/runtime/bootstrap
#   target python-criu  the same with criu: functions that start from a snapshot on disk (docs/snapshots.md)
#   target provided     functions in any language: rapid, and the user's own bootstrap
#
# --build-arg EXTRAS=otlp adds what the extension `otlp` needs, to either of them.
#
# The layout is that of AWS's base images, so that their Dockerfiles work with only the FROM line changed; but this image
# builds as user 993, not as root (docs/image.md, "Users and limits").
ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim-trixie AS build
# `strip` (with gcc) takes away nine tenths of what the compiled packages weigh.
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY image/libnss_sandbox.c /build/
RUN gcc -std=c11 -D_DEFAULT_SOURCE -Os -s -fPIC -shared -Wall -Wextra -Werror -Wl,-soname,libnss_sandbox.so.2 \
        -o /build/libnss_sandbox.so.2 /build/libnss_sandbox.c
WORKDIR /src
# What comes from elsewhere is fetched in a layer of its own: a change of ours needs no network. rapid has a virtual
# environment of its own and runs isolated (-I): the function's packages and variables never reach it, nor its packages
# the function.
COPY pyproject.toml ./
ARG EXTRAS=
RUN python -m venv /usr/local/lib/rapid && python -m venv /build \
    && load='tomllib.load(open("pyproject.toml", "rb"))' \
    && list="import functools, sys, tomllib; print(*functools.reduce(dict.get, sys.argv[1:], $load), sep='\\n')" \
    && python -c "$list" build-system requires >build.txt \
    && python -c "$list" project dependencies >dependencies.txt \
    && for extra in $EXTRAS; do python -c "$list" project optional-dependencies $extra >>dependencies.txt || exit; done \
    && /build/bin/pip install --no-cache-dir --no-compile --retries 10 -r build.txt \
    && /usr/local/lib/rapid/bin/pip install --no-cache-dir --no-compile --retries 10 -r dependencies.txt
COPY README.md LICENSE bootstrap ./
COPY runtime ./runtime
COPY rapid ./rapid
COPY extensions ./extensions
# pip, and what only developers use, leave when it is done.
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && /usr/local/lib/rapid/bin/pip install --no-deps --no-compile /dist/*.whl \
    && /usr/local/lib/rapid/bin/pip uninstall --yes --quiet pip \
    && find /usr/local/lib/rapid -regextype egrep -regex '.*\.(pyx|pxd|pxi|pyi|h|c)' -delete \
    && find /usr/local/lib/rapid/bin -type f ! -name rapid ! -name 'rapid-*' -delete \
    && find /usr/local/lib/rapid -type d -name tests -prune -exec rm -r {} + \
    && find /usr/local/lib/rapid -name '*.so' -exec strip --strip-unneeded {} + \
    && rm -r /usr/local/lib/rapid/lib/python*/site-packages/rapid/_bootstrap \
    && sed -i '1s/$/ -I/' /usr/local/lib/rapid/bin/rapid* \
    && mkdir /usr/local/lib/rapid/extensions \
    && for name in logs-file otlp; do ln -s ../bin/rapid-$name /usr/local/lib/rapid/extensions/$name; done \
    && python -m compileall -q --invalidation-mode unchecked-hash /usr/local/lib/rapid/lib \
    && mkdir -p /var/runtime \
    && cp -r bootstrap runtime /var/runtime/ \
    && python -m compileall -q --invalidation-mode unchecked-hash /var/runtime

FROM python:${PYTHON_VERSION}-slim-trixie AS base
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="rapid" \
      org.opencontainers.image.description="Base image for AWS Lambda functions: runs them locally, self-hosted and on AWS" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"

# Lambda's names for its own loopback (image/libnss_sandbox.c), at once after /etc/hosts.
COPY --from=build /build/libnss_sandbox.so.2 /usr/lib/
RUN sed -i '/^hosts:/s/files/files sandbox [NOTFOUND=return]/' /etc/nsswitch.conf

# AWS's own name for the user that functions run as. It owns the folders that a Dockerfile derived from this image fills,
# so that `RUN pip install` works in it, with `-t "${LAMBDA_TASK_ROOT}"` and without (then packages go to /var/lang).
RUN groupadd --system --gid 990 sbx_user1051 \
    && useradd --system --uid 993 --gid 990 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin sbx_user1051 \
    && mkdir -p /var/task /var/runtime /var/lang/bin /opt/extensions /opt/python \
    && chown -R 993:990 /var/task /var/runtime /var/lang /opt \
    && ln -s /usr/local/lib/rapid/bin/rapid /usr/local/bin/rapid \
    && ln -s /usr/local/lib/rapid/bin/rapid /usr/local/bin/aws-lambda-rie
COPY --from=build /usr/local/lib/rapid /usr/local/lib/rapid
COPY image/lambda-entrypoint.sh /lambda-entrypoint.sh

# RAPID_LIBRARY_PATH becomes the function's LD_LIBRARY_PATH: a library of the function's must not become rapid's.
ENV LAMBDA_TASK_ROOT=/var/task \
    LAMBDA_RUNTIME_DIR=/var/runtime \
    PATH=/var/lang/bin:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin:/opt/bin \
    RAPID_LIBRARY_PATH=/var/lang/lib:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib \
    PYTHONUSERBASE=/var/lang \
    PIP_NO_CACHE_DIR=1 \
    HOME=/tmp \
    RAPID_HOST=0.0.0.0
WORKDIR /var/task
USER 993:990
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["/usr/local/lib/rapid/bin/python", "-I", "-m", "rapid.healthcheck"]
ENTRYPOINT ["/lambda-entrypoint.sh"]

FROM base AS provided
# AWS's image has curl too: its tutorial's bootstrap is written with it.
USER root
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends curl \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
USER 993:990

FROM base AS with-runtime
USER root
COPY --from=build /var/runtime /var/runtime
RUN chown root:root /var/runtime
USER 993:990
# SnapStart: our runtime asks to be restored and runs the function's hooks. Without the label Lambda publishes no version
# of an image that is not built on one of its own. In `provided` whoever brings the runtime knows whether it may be said.
LABEL com.amazonaws.lambda.feature.snapstart="Allow"

FROM with-runtime AS python-criu
USER root
# The capabilities are on criu's file alone: rapid and the function have none. A container that is not given them cannot
# execute it, and its functions are initialised as ever.
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends criu libcap2-bin \
    && setcap cap_checkpoint_restore,cap_setpcap+ep /usr/sbin/criu \
    && apt-get purge -y -qq libcap2-bin \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
    && mkdir --mode=700 /snapshot \
    && chown 993:990 /snapshot
USER 993:990

# The last one is what is built where no target is named.
FROM with-runtime AS python
