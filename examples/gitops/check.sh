#!/bin/sh
# Says what is wrong with the configuration. It needs no director, no kernel and no root.
set -eu
cd "$(dirname "$0")"
gorb check conf/gorb.toml
