#!/bin/sh
# Puts the files of a directory into Consul, each as a key, and takes out the keys for which there is no file.
#
#   put.sh kv gorb/prod     kv/services/web.toml becomes gorb/prod/services/web
#
# CONSUL_HTTP_ADDR and CONSUL_HTTP_TOKEN say where, and who may.
set -eu
if [ $# -ne 2 ]; then
	echo "usage: put.sh DIRECTORY PREFIX" >&2
	exit 2
fi
dir=${1%/} prefix=${2%/}

keys=$(cd "$dir" && find services backends -name '*.toml' -o -name '*.json' 2>/dev/null | LC_ALL=C sort)
if [ -z "$keys" ]; then
	echo "put.sh: $dir has neither services nor backends, and $prefix stays as it is" >&2
	exit 1
fi
for file in $keys; do
	consul kv put "$prefix/${file%.*}" "@$dir/$file"
done
consul kv get -keys -separator= "$prefix/" | while read -r key; do
	name=${key#"$prefix/"}
	case $name in
	*/) ;; # a folder
	services/* | backends/*)
		[ -e "$dir/$name.toml" ] || [ -e "$dir/$name.json" ] || consul kv delete "$key"
		;;
	esac
done
