# Builds the package as npm would publish it, and runs `nightshift serve` from it as an account that is not root.
#
#   docker build -t nightshift .
#   docker run --rm -v night:/data nightshift keys create --user alice
#   docker run -p 3333:3333 -v night:/data nightshift

FROM node:24-slim AS packed
WORKDIR /checkout
COPY . .
RUN npm ci && npm pack --pack-destination /

FROM node:24-slim AS installed
COPY --from=packed /nightshift-*.tgz /nightshift.tgz
RUN npm install --global --omit=dev --ignore-scripts --no-audit --no-fund /nightshift.tgz \
  && mkdir /data && chown node:node /data

FROM node:24-slim
COPY --from=installed /usr/local/lib/node_modules/nightshift /opt/nightshift
COPY --from=installed --chown=node:node /data /data
ENV NODE_ENV=production NIGHTSHIFT_DATA_DIR=/data NIGHTSHIFT_HOST=0.0.0.0
USER node
VOLUME /data
EXPOSE 3333
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.NIGHTSHIFT_PORT || 3333}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/nightshift/dist/cli.js"]
CMD ["serve"]
