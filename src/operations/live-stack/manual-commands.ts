/** The command that stops all containers of a project. Not Compose's: it stops nothing where one of them is gone. */
export function stopAll(project: string): string {
  return `docker ps -q --filter label=com.docker.compose.project=${project} | xargs -r docker stop`;
}
