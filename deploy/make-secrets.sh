#!/bin/sh
# Make the files that compose.yaml mounts as secrets, in deploy/secrets (not committed). What is there stays as it is.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
# Alphanumeric, so that the value needs no quoting in a URL.
random() { LC_ALL=C tr -dc 'A-Za-z0-9' < /dev/urandom | head -c "$1"; }
[ -s secrets/secret_key ] || random 64 > secrets/secret_key
[ -s secrets/encryption_keys ] || head -c 32 /dev/urandom | base64 | tr '+/' '-_' > secrets/encryption_keys
[ -s secrets/database_password ] || random 40 > secrets/database_password
[ -s secrets/database_url ] || printf 'postgres://gilo:%s@postgres:5432/gilo' "$(cat secrets/database_password)" > secrets/database_url
# The containers' users are not this one; the folder stays closed to others on this machine.
chmod 644 secrets/*
chmod 700 secrets
echo "Secrets are in $(pwd)/secrets. Keep secret_key and encryption_keys apart from the database's backups."
