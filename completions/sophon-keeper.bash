# Generated from src/options by npm run docs. Bash completion for sophon-keeper.
_sophon_keeper() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word command= at=
  COMPREPLY=()
  # Bash takes --flag=value for three words.
  if [[ $prev == "=" ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
  if [[ $cur == "=" ]]; then cur=; fi
  case $prev in
    --skip) mapfile -t COMPREPLY < <(compgen -W 'keys workflows systemd cron proof' -- "$cur"); return ;;
    --consistency) mapfile -t COMPREPLY < <(compgen -W 'live stopped' -- "$cur"); return ;;
    --volume-consistency) mapfile -t COMPREPLY < <(compgen -W 'freeze stop live' -- "$cur"); return ;;
    --rabbitmq-messages) mapfile -t COMPREPLY < <(compgen -W 'pause stop none' -- "$cur"); return ;;
    --retain-level) mapfile -t COMPREPLY < <(compgen -W 'checksum contents restore' -- "$cur"); return ;;
    --upload) mapfile -t COMPREPLY < <(compgen -W 'none s3 rclone' -- "$cur"); return ;;
    --upload-lock) mapfile -t COMPREPLY < <(compgen -W 'governance compliance' -- "$cur"); return ;;
    --level) mapfile -t COMPREPLY < <(compgen -W 'checksum contents restore' -- "$cur"); return ;;
    --clone-health) mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur"); return ;;
    --pin) mapfile -t COMPREPLY < <(compgen -W 'file override none' -- "$cur"); return ;;
    --state) mapfile -t COMPREPLY < <(compgen -W 'running exited hung restarting' -- "$cur"); return ;;
    --config|--project-directory|--compose-files|--env-files|--repository|--keys-directory|--into|--data-dir|--recipients|--passphrase|--sign-key|--report-path|--notify|--metrics-path|--identity|--trusted-signers|--health-header|--health-ca|--new-files|--rollback-directory)
      if [[ $cur == @* ]]; then at=@; cur=${cur#@}; fi
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -P "$at" -f -- "$cur")
      return ;;
    --stack|--project-name|--profiles|--lock-timeout|--vault-key|--exclude|--postgres-service|--qdrant-service|--redis-service|--rabbitmq-service|--database-user|--database-name|--keep-last|--keep-daily|--keep-weekly|--keep-monthly|--upload-to|--upload-endpoint|--upload-region|--remote-keep-last|--remote-keep-daily|--remote-keep-weekly|--remote-keep-monthly|--upload-max-bytes|--upload-limit|--upload-retry|--upload-lock-days|--notify-on|--backup|--max-age|--health-timeout|--log-allow|--log-deny|--only|--path|--target|--health-url|--soak|--images|--candidates|--failed-max-bytes|--require-rehearsal|--reuse-rehearsal|--clone-memory|--template-keep|--remote-max-age|--against) return ;;
  esac
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      init|backup|verify|restore|undo|upgrade-test|recover|doctor|list|ls|find|diff|report|prune|upload|scan-log) command=$word; break ;;
    esac
  done
  case $command in
    init) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --keys-directory --into --yes --skip --dry-run --json --help' ;;
    backup) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --lock-timeout --data-dir --vault-key --exclude --postgres-service --qdrant-service --redis-service --rabbitmq-service --database-user --database-name --recipients --unencrypted --passphrase --sign-key --consistency --volume-consistency --include-host-files --incremental --full --rabbitmq-messages --keep-last --keep-daily --keep-weekly --keep-monthly --retain-level --upload --upload-to --upload-endpoint --upload-region --upload-path-style --remote-keep-last --remote-keep-daily --remote-keep-weekly --remote-keep-monthly --upload-max-bytes --upload-limit --upload-retry --upload-lock --upload-lock-days --dry-run --report-path --notify --notify-on --metrics-path --json --help' ;;
    verify) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --data-dir --vault-key --postgres-service --qdrant-service --redis-service --rabbitmq-service --database-user --database-name --passphrase --identity --sign-key --include-host-files --upload-to --upload-endpoint --upload-region --upload-path-style --upload-retry --backup --trusted-signers --level --max-age --clone-health --health-timeout --log-allow --log-deny --report-path --notify --notify-on --metrics-path --json --help' ;;
    restore) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --lock-timeout --data-dir --vault-key --postgres-service --qdrant-service --redis-service --rabbitmq-service --database-user --database-name --passphrase --identity --sign-key --upload-to --upload-endpoint --upload-region --upload-path-style --upload-retry --backup --trusted-signers --allow-unsigned --allow-host-access --only --path --keep-images --allow-shared-paths --target --health-url --health-header --health-ca --health-timeout --soak --pin --dry-run --report-path --notify --notify-on --metrics-path --json --help' ;;
    undo) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --lock-timeout --allow-shared-paths --health-timeout --pin --dry-run --notify --notify-on --metrics-path --json --help' ;;
    upgrade-test) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --lock-timeout --data-dir --vault-key --exclude --postgres-service --qdrant-service --redis-service --rabbitmq-service --database-user --database-name --recipients --unencrypted --passphrase --identity --sign-key --consistency --volume-consistency --include-host-files --incremental --full --rabbitmq-messages --keep-last --keep-daily --keep-weekly --keep-monthly --retain-level --upload-to --upload-endpoint --upload-region --upload-path-style --upload-retry --backup --trusted-signers --max-age --clone-health --allow-shared-paths --images --new-files --candidates --failed-max-bytes --target --require-rehearsal --reuse-rehearsal --clone-memory --template-keep --health-url --health-header --health-ca --health-timeout --soak --allow-unhealthy --pin --rollback-directory --log-allow --log-deny --dry-run --report-path --notify --notify-on --metrics-path --json --help' ;;
    recover) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --lock-timeout --notify --notify-on --metrics-path --json --help' ;;
    doctor) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --recipients --identity --allow-shared-paths --rollback-directory --report-path --json --help' ;;
    list) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --upload-to --upload-endpoint --upload-region --upload-path-style --remote-max-age --upload-retry --backup --report-path --json --help' ;;
    ls) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --passphrase --identity --backup --path --json --help' ;;
    find) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --passphrase --identity --backup --path --json --help' ;;
    diff) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --passphrase --identity --backup --against --json --help' ;;
    report) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --report-path --json --help' ;;
    prune) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --lock-timeout --keep-last --keep-daily --keep-weekly --keep-monthly --retain-level --upload-to --upload-endpoint --upload-region --upload-path-style --remote-keep-last --remote-keep-daily --remote-keep-weekly --remote-keep-monthly --upload-retry --dry-run --report-path --notify --notify-on --metrics-path --json --help' ;;
    upload) word='--config --stack --print-config --project-directory --compose-files --project-name --env-files --profiles --repository --sign-key --upload --upload-to --upload-endpoint --upload-region --upload-path-style --upload-limit --upload-retry --upload-lock --upload-lock-days --backup --dry-run --json --help' ;;
    scan-log) word='--log-allow --log-deny --state --json --help' ;;
    *) word='init backup verify restore undo upgrade-test recover doctor list ls find diff report prune upload scan-log help --help --version' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$word" -- "$cur")
}
complete -F _sophon_keeper sophon-keeper
