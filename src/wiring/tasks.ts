import type { NamedResponder, NamedTask } from "../core/task.ts";
import { sealPlaces } from "../operations/backup/seal-kept.ts";
import { uploadSnapshots } from "../operations/manual/restore-qdrant.ts";
import { adoptDump } from "../operations/manual/restore-redis.ts";
import { removePartial, removeUnfinished } from "../operations/session/discard.ts";
import {
  deltaTask,
  estimateCopy,
  preCopyTask,
  putBackTask,
  removeCopyTask,
} from "../rollback-copy/tasks.ts";
import { serverProber } from "../stack/health.ts";
import { lookTask } from "../stack/look.ts";
import { statFiles } from "../stack/stat-files.ts";
import { putSettings } from "../stores/postgres/settings-file.ts";
import { aliasesOfQdrant, refusalOfQdrant, versionOfQdrant } from "../stores/qdrant/questions.ts";
import { restoreCollections, restoreQdrant } from "../stores/qdrant/restore-tasks.ts";
import {
  backupQdrant,
  forgetSnapshots,
  listSnapshots,
  measureQdrant,
} from "../stores/qdrant/tasks.ts";
import { placeRdb } from "../stores/redis/place-rdb.ts";
import { sqliteShape } from "../stores/sqlite/file-shapes.ts";
import { sqliteMigrations } from "../stores/sqlite/migrations.ts";
import { stackPack } from "../stores/stack-files/pack.ts";
import { stackRemove, stackUnpack } from "../stores/stack-files/unpack.ts";
import { treeBackup, treeBackupStill } from "../stores/tree/backup.ts";
import { treeExchange } from "../stores/tree/exchange-tree.ts";
import { extractComponents } from "../stores/tree/extract.ts";
import { extractMembers } from "../stores/tree/extract-members.ts";
import {
  copyFrozen,
  estimateFrozen,
  preCopyLive,
  removeFrozenCopy,
} from "../stores/tree/frozen-copy.ts";
import { keyTexts } from "../stores/tree/key-texts.ts";
import { listLiveTree } from "../stores/tree/list-live.ts";
import { treeMeasure } from "../stores/tree/measure.ts";
import { membersAtPlace, placeMembers } from "../stores/tree/place-members.ts";
import { estimatePause } from "../stores/tree/prospect.ts";
import { treeAside, treeDiscard, treePutBack, treeReplace } from "../stores/tree/replace.ts";
import { freeSpace, measureTrees } from "../stores/tree/size.ts";

/** All tasks and responders that a helper container can run. */
export const taskRegistry: readonly (NamedTask<never, unknown> | NamedResponder<never, unknown>)[] =
  [
    adoptDump,
    aliasesOfQdrant,
    backupQdrant,
    copyFrozen,
    deltaTask,
    estimateCopy,
    extractComponents,
    extractMembers,
    forgetSnapshots,
    estimateFrozen,
    estimatePause,
    freeSpace,
    keyTexts,
    listLiveTree,
    listSnapshots,
    lookTask,
    measureQdrant,
    measureTrees,
    membersAtPlace,
    placeMembers,
    placeRdb,
    preCopyLive,
    preCopyTask,
    putBackTask,
    putSettings,
    removeFrozenCopy,
    removeCopyTask,
    refusalOfQdrant,
    removePartial,
    removeUnfinished,
    restoreCollections,
    restoreQdrant,
    sealPlaces,
    serverProber,
    sqliteMigrations,
    sqliteShape,
    stackPack,
    stackRemove,
    stackUnpack,
    statFiles,
    treeAside,
    treeBackup,
    treeBackupStill,
    treeDiscard,
    treeExchange,
    treeMeasure,
    treePutBack,
    treeReplace,
    uploadSnapshots,
    versionOfQdrant,
  ];
